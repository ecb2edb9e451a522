/** Numbers, times and names as people read them. */

import { describe, expect, it } from "vitest";
import { instrumentLabel } from "./instrument";
import { compareDecimals, formatMoney } from "./money";
import { brokerLabel, shortId } from "./names";
import { formatAge, formatGap, instant, istClock, istDayOrNull, istPrecise } from "./time";

describe("money", () => {
  it.each([
    ["812.5", "812.50"],
    ["123456.78", "1,23,456.78"],
    ["999999999.99", "99,99,99,999.99"],
    ["0.005", "0.005"],
    ["-6120.5", "\u22126,120.50"],
    ["12345678901234567890.12", "1,23,45,67,89,01,23,45,67,890.12"],
  ])("shows %s as %s", (amount, shown) => {
    expect(formatMoney(amount)).toBe(shown);
  });

  it("keeps every digit of random amounts", () => {
    for (let round = 0; round < 2000; round++) {
      const whole = String(BigInt(Math.floor(Math.random() * 2 ** 50)) * 7919n);
      const paise = String(Math.floor(Math.random() * 10_000)).padStart(4, "0");
      const shown = formatMoney(`${whole}.${paise}`) ?? "";
      const [shownWhole, shownPaise = ""] = shown.split(".");

      expect(shownWhole?.replaceAll(",", "")).toBe(whole);
      expect(shownPaise.padEnd(4, "0")).toBe(paise);
    }
  });

  it.each([null, undefined, "", "NaN", "1e3", "12.", "₹5"])("has no text for %s", (amount) => {
    expect(formatMoney(amount)).toBeNull();
  });

  it("sorts by value and not by text", () => {
    const sorted = ["9.5", "10", null, "-3", "9.45", "9.500"].sort(compareDecimals);

    expect(sorted).toEqual([null, "-3", "9.45", "9.5", "9.500", "10"]);
  });
});

describe("time", () => {
  const at = Date.parse("2026-11-24T08:47:41.203456Z");

  it("is India's, whatever the machine's zone", () => {
    expect(istClock(at)).toBe("14:17:41");
    expect(istPrecise(at)).toBe("14:17:41.203");
  });

  it("names the day only when it is not today's in India", () => {
    expect(istDayOrNull(at, Date.parse("2026-11-24T18:29:59Z"))).toBeNull();
    expect(istDayOrNull(at, Date.parse("2026-11-24T18:30:00Z"))).toBe("24 Nov");
  });

  it.each([
    [240, "0.2 s"],
    [3_900, "3 s"],
    [250_000, "4 min"],
    [7_200_000, "2 h"],
  ])("says an age of %i ms as %s", (age, said) => {
    expect(formatAge(age)).toBe(said);
  });

  it("says gaps of a timeline in the unit that fits", () => {
    expect([3, 1_240, 130_000].map(formatGap)).toEqual(["+3 ms", "+1.24 s", "+2 min"]);
  });

  it("has no instant for what is none", () => {
    expect([instant(null), instant("soon")]).toEqual([null, null]);
  });
});

describe("names", () => {
  it("reads an instrument as people say it", () => {
    expect(instrumentLabel("NSE:SBIN")).toMatchObject({ name: "SBIN", exchange: "NSE" });
    expect(instrumentLabel("NFO:NIFTY:2026-12-29:24500:CE")).toEqual({
      name: "NIFTY 24500 CE",
      exchange: "NFO",
      expiry: "29 Dec",
      expiryInFull: "29 Dec 2026",
    });
    expect(instrumentLabel("NFO:NIFTY:2026-12-29:FUT").name).toBe("NIFTY FUT");
    expect(instrumentLabel("strange").name).toBe("strange");
  });

  it("shortens ids and writes brokers as labels", () => {
    expect(shortId("0193b000-0000-7000-8000-0000000a4c21")).toBe("…0a4c21");
    expect(brokerLabel("some_broker")).toBe("SOME BROKER");
  });
});
