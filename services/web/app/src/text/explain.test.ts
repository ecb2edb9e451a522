/** The sentence beside an order. */

import { describe, expect, it } from "vitest";
import { explain, explainInOneLine } from "./explain";
import { noticeText } from "./notices";
import { stateText } from "./states";

describe("why an order is what it is", () => {
  it("is our sentence for a skipped one", () => {
    const order = { state: "SKIPPED", reason: "TOO_SMALL", message: "" };

    expect(explainInOneLine(order)).toBe("Your share of this order is less than one lot.");
  });

  it("prefers the server's sentence, which has the figures", () => {
    const order = { state: "SKIPPED", reason: "TOO_SMALL", message: "40 is under one lot of 75." };

    expect(explainInOneLine(order)).toBe("40 is under one lot of 75.");
  });

  it("keeps the broker's own words of a rejected one", () => {
    const order = { state: "REJECTED", reason: null, message: "RED:Margin Shortfall" };

    expect(explain(order)).toEqual({
      sentence: null,
      brokerSaid: "RED:Margin Shortfall",
      brokerCode: null,
    });
    expect(explainInOneLine(order)).toBe("Broker said: RED:Margin Shortfall");
  });

  it("shows the broker's code beside its words", () => {
    const order = { state: "REJECTED", reason: "-99", message: "RMS: margin shortfall" };

    expect(explain(order).brokerCode).toBe("-99");
    expect(explainInOneLine(order)).toBe("Broker said: RMS: margin shortfall (-99)");
  });

  it("says of an unclear one what is being done", () => {
    expect(explainInOneLine({ state: "UNKNOWN", reason: null, message: "" })).toContain(
      "never sent twice",
    );
  });

  it("gives a held order what it waits for", () => {
    expect(explain({ state: "HELD", reason: "SESSION", message: "" }).sentence).toContain(
      "Please re-connect your broker.",
    );
  });

  it("shows codes this build does not know by their own words", () => {
    expect(explainInOneLine({ state: "SKIPPED", reason: "NEW_RULE", message: "" })).toBe(
      "new rule",
    );
    expect(stateText("BRAND_NEW").word).toBe("BRAND_NEW");
    const notice = {
      notice_id: "n",
      kind: "NOTIFICATION",
      code: "SOME_NEWS",
      subject: "",
      at: "",
      figures: {},
    };
    expect(noticeText(notice)).toBe("Some news.");
  });

  it("says nothing of a plain fill", () => {
    expect(explainInOneLine({ state: "FILLED", reason: null, message: "" })).toBe("");
  });
});
