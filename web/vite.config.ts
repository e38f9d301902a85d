import { defineConfig } from 'vite'

/**
 * The page as plain files that the gateway serves under a strict content security policy: no inline script or style,
 * nothing from other hosts. Asset names carry a hash, so they can be cached for ever; `index.html` cannot.
 */
export default defineConfig({
  root: import.meta.dirname,
  base: '/',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2022',
    // Old enough for `light-dark()`, which keeps both themes in one place.
    cssTarget: ['chrome123', 'firefox121', 'safari17.5'],
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: true,
  },
})
