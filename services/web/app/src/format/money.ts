/** Money stays a decimal string from the API to the screen; nothing here makes a float of it. */

const DECIMAL = /^-?\d+(\.\d+)?$/;
const MINUS = "\u2212";

const plain = new Intl.NumberFormat("en-IN", {
  minimumFractionDigits: 2,
  maximumFractionDigits: 4,
});

/** Groups as people in India read it: 1,23,456.78. Two to four decimals; null for what is no amount. */
export function formatMoney(amount: string | null | undefined): string | null {
  if (!amount || !DECIMAL.test(amount)) return null;
  return plain.format(amount as Intl.StringNumericLiteral).replace("-", MINUS);
}

/** Orders decimal strings by value; what is no amount comes first. */
export function compareDecimals(left: string | null, right: string | null): number {
  if (left === null || !DECIMAL.test(left)) return right === null ? 0 : -1;
  if (right === null || !DECIMAL.test(right)) return 1;
  const places = Math.max(decimalsOf(left), decimalsOf(right));
  const difference = scaled(left, places) - scaled(right, places);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

function decimalsOf(amount: string): number {
  return amount.split(".")[1]?.length ?? 0;
}

function scaled(amount: string, places: number): bigint {
  const [whole = "0", fraction = ""] = amount.split(".");
  return BigInt(whole + fraction.padEnd(places, "0"));
}
