# Three questions, a stage each: what builds the page, what runs, and what is shipped.
# `npm ci` takes versions from the lock and compares each package with its hash there. No install script runs: the image has its own
# Node, the `node` package is not needed. To pin the base: `--build-arg BASE=node:24-trixie-slim@sha256:…` (docs/OPERATIONS.md).
ARG BASE=node:24-trixie-slim

FROM ${BASE} AS manifest
WORKDIR /app
COPY package.json package-lock.json .npmrc ./

FROM manifest AS page
RUN npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
COPY tsconfig.json ./
COPY protocol protocol
COPY client client
COPY web web
RUN node node_modules/vite/bin/vite.js build web

FROM manifest AS packages
RUN npm ci --ignore-scripts --omit=dev --no-audit --no-fund --loglevel=error

FROM ${BASE} AS sluice
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080
WORKDIR /app
COPY package.json ./
COPY prompts prompts
COPY protocol protocol
COPY sessions sessions
COPY orchestrator orchestrator
COPY gateway gateway
COPY load load
COPY cli cli
COPY --from=packages /app/node_modules node_modules
COPY --from=page /app/web/dist web/dist
# By number, so that Kubernetes can check runAsNonRoot; the files belong to root and are only read.
USER 1000:1000
EXPOSE 8080 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "cli/healthcheck.cjs"]
CMD ["node", "cli/main.ts", "serve"]
