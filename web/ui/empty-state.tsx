import { Logo } from './icons.tsx'

const suggestions = [
  'Explain how tides work to a curious ten-year-old',
  'Write a Python function that merges overlapping intervals',
  'Plan a calm Sunday in a city I do not know',
  'Compare three ways to store passwords, as a table',
]

export function EmptyState({ onSuggest }: { readonly onSuggest: (text: string) => void }) {
  return (
    <div class="empty">
      <Logo />
      <h2>What would you like to know?</h2>
      <ul class="suggestions">
        {suggestions.map((text) => (
          <li key={text}>
            <button type="button" class="suggestion" onClick={() => onSuggest(text)}>
              {text}
            </button>
          </li>
        ))}
      </ul>
    </div>
  )
}
