/** A canonical instrument name as people say it: NFO:NIFTY:2026-12-29:24500:CE is NIFTY 24500 CE. */

export interface InstrumentLabel {
  name: string;
  exchange: string;
  /** 29 Dec, for a row; with its year for the order itself. */
  expiry: string | null;
  expiryInFull: string | null;
}

const shortDay = new Intl.DateTimeFormat("en-GB", {
  timeZone: "UTC",
  day: "numeric",
  month: "short",
});
const fullDay = new Intl.DateTimeFormat("en-GB", {
  timeZone: "UTC",
  day: "numeric",
  month: "short",
  year: "numeric",
});

/** Anything that is not a canonical name is shown whole. */
export function instrumentLabel(canonical: string): InstrumentLabel {
  const [exchange, underlying, expiry, ...rest] = canonical.split(":");
  if (!exchange || !underlying) {
    return { name: canonical, exchange: "", expiry: null, expiryInFull: null };
  }
  if (!expiry) return { name: underlying, exchange, expiry: null, expiryInFull: null };
  const at = Date.parse(`${expiry}T00:00:00Z`);
  return {
    name: [underlying, ...rest].join(" "),
    exchange,
    expiry: Number.isNaN(at) ? expiry : shortDay.format(at),
    expiryInFull: Number.isNaN(at) ? expiry : fullDay.format(at),
  };
}
