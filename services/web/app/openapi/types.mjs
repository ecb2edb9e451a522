// Turns each service's OpenAPI document into types in src/api/schema; --check only compares.

import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const cli = join(here, "../node_modules/openapi-typescript/bin/cli.js");
const check = process.argv.includes("--check") ? ["--check"] : [];

for (const file of readdirSync(here).filter((name) => name.endsWith(".json"))) {
  const target = join(here, "../src/api/schema", file.replace(".json", ".d.ts"));
  const words = [cli, join(here, file), "--output", target, "--alphabetize", ...check];
  execFileSync(process.execPath, words, { stdio: ["ignore", "ignore", "inherit"] });
}
