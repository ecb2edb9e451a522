/** Two steps of our own in the build: the theme script before first paint, and precompressed twins. */

import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import type { Plugin } from "vite";

const THEME = "theme.js";

/** Emits theme.js as a hashed file and loads it, blocking, first in the head. */
export function themeBeforePaint(file: string): Plugin {
  let building = false;
  return {
    name: "theme-before-paint",
    configResolved(config) {
      building = config.command === "build";
    },
    buildStart() {
      if (!building) return;
      this.emitFile({ type: "asset", name: THEME, source: readFileSync(file, "utf8") });
    },
    transformIndexHtml(_, { bundle }) {
      const emitted = Object.values(bundle ?? {}).find(
        (output) => output.type === "asset" && output.names.includes(THEME),
      );
      const src = `/app/${emitted?.fileName ?? THEME}`;
      return [{ tag: "script", attrs: { src }, injectTo: "head-prepend" }];
    },
  };
}

const COMPRESSED = /\.(html|js|css|svg|json|txt)$/;

/** Writes .br and .gz beside every text file that gets smaller by it; the edge sends those. */
export function precompress(folder: string): Plugin {
  return {
    name: "precompress",
    apply: "build",
    closeBundle() {
      for (const path of filesBelow(folder)) {
        if (!COMPRESSED.test(path)) continue;
        const body = readFileSync(path);
        const twins = [
          [".br", brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } })],
          [".gz", gzipSync(body, { level: 9 })],
        ] as const;
        for (const [suffix, twin] of twins) {
          if (twin.length < body.length) writeFileSync(path + suffix, twin);
        }
      }
    },
  };
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? filesBelow(path) : [path];
  });
}
