/** The house rules of the browser application that no tool knows. */

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, expect, it } from "vitest";
import { ROW_PHONE_PX, ROW_PX } from "../src/pages/orders/sizes";

const SRC = join(import.meta.dirname, "../src");

function filesBelow(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? filesBelow(path) : [path];
  });
}

const files = filesBelow(SRC)
  .filter((path) => !path.includes("schema"))
  .map((path) => ({ name: relative(SRC, path), text: () => readFileSync(path, "utf8") }));
const styles = files.filter(({ name }) => name.endsWith(".css"));
const code = files.filter(({ name }) => /\.tsx?$/.test(name) && !name.includes(".test."));

describe("styles", () => {
  it("keep colours and pixels in the tokens", () => {
    const offending = styles
      .filter(({ name }) => name !== "styles/tokens.css")
      .flatMap(({ name, text }) =>
        text()
          .split("\n")
          .filter((line) => !line.trimStart().startsWith("@media"))
          .filter((line) => /#[0-9a-f]{3,8}\b|\brgba?\(|\b\d+px\b/i.test(line))
          .map((line) => `${name}: ${line.trim()}`),
      );

    expect(offending).toEqual([]);
  });

  it("use only tokens there are", () => {
    const defined = new Set(
      styles.flatMap(({ text }) => [...text().matchAll(/(--[\w-]+):/g)].map((found) => found[1])),
    );
    const used = styles.flatMap(({ name, text }) =>
      [...text().matchAll(/var\((--[\w-]+)/g)].map((found) => ({ name, token: found[1] })),
    );

    expect(used.filter(({ token }) => !defined.has(token))).toEqual([]);
  });

  it("lay virtual rows out by the heights the tokens give", () => {
    const tokens = readFileSync(join(SRC, "styles/tokens.css"), "utf8");

    expect(tokens).toContain(`--row: ${ROW_PX}px;`);
    expect(tokens).toContain(`--row-phone: ${ROW_PHONE_PX}px;`);
  });
});

describe("code", () => {
  it("never makes a number of money", () => {
    const offending = code.filter(({ text }) =>
      /parseFloat|\bNumber\((?!\.)|[=(,]\s*\+\w*(price|amount|margin)/i.test(text()),
    );

    expect(offending.map(({ name }) => name)).toEqual([]);
  });

  it("has no inline style in markup strings and no HTML from strings", () => {
    const offending = code.filter(({ text }) => /dangerouslySetInnerHTML|innerHTML/.test(text()));

    expect(offending.map(({ name }) => name)).toEqual([]);
  });

  it("opens every file with what it owns", () => {
    const silent = code.filter(({ text }) => !/^\/\*\*|^\/\//.test(text()));

    expect(silent.map(({ name }) => name)).toEqual([]);
  });

  it("keeps files within 400 lines", () => {
    const long = files.filter(
      ({ name, text }) => /\.(tsx?|css)$/.test(name) && text().split("\n").length > 400,
    );

    expect(long.map(({ name }) => name)).toEqual([]);
  });
});
