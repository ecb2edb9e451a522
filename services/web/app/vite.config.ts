/** How the application is built, served while developing, and tested. */

import { resolve } from "node:path";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";
import { precompress, themeBeforePaint } from "./build-plugins.ts";

const here = import.meta.dirname;
const dist = resolve(here, "../dist");
const edge = process.env.WEB_EDGE ?? "http://127.0.0.1:8080";
const api =
  "^/(auth|client|trader|notifications|strategies|follows|signals|orders|feeds|shards)(/|$|\\?)";

export default defineConfig({
  base: "/app/",
  plugins: [react(), themeBeforePaint(resolve(here, "theme.js")), precompress(dist)],
  build: {
    outDir: dist,
    emptyOutDir: true,
    target: "es2022",
    // The policy allows no data: fonts and no inline scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    port: 5173,
    proxy: { [api]: { target: edge }, "/ws": { target: edge, ws: true } },
  },
  test: {
    environment: "happy-dom",
    include: ["src/**/*.test.{ts,tsx}", "tests/**/*.test.ts"],
    setupFiles: ["tests/setup.ts"],
    restoreMocks: true,
  },
});
