/** An amount of rupees as text; a missing one is a dash with its reason. */

import { formatMoney } from "../format/money";

export function Money({ amount, why = "not known" }: { amount: string | null; why?: string }) {
  const text = formatMoney(amount);
  if (text) return <span>{text}</span>;
  return (
    <span title={why}>
      <span aria-hidden="true">–</span>
      <span className="visually-hidden">{why}</span>
    </span>
  );
}
