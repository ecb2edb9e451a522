/** Shares and contracts: whole numbers, grouped as in India. */

const whole = new Intl.NumberFormat("en-IN", { maximumFractionDigits: 0 });

export function formatQuantity(quantity: number): string {
  return whole.format(quantity);
}
