// Brings a broker's reply back to Lockstep, once, tells the page that waits, and closes itself.
"use strict";

(() => {
  const { broker, title, fields } = document.body.dataset;
  const query = new URLSearchParams(location.search);
  // The reply must not stay in the address, the history or a screenshot.
  history.replaceState(null, "", location.pathname);

  const state = query.get("state") ?? "";
  const reply = {};
  for (const name of fields.split(" ")) {
    const value = query.get(name);
    if (value) reply[name] = value;
  }

  finish();

  async function finish() {
    const [outcome, words] = Object.keys(reply).length
      ? await connect()
      : ["refused", `You did not allow access at ${title}. Nothing was stored.`];
    document.getElementById("outcome").textContent = words;
    tell({ kind: "broker-connect", broker, state, outcome });
    // Words that only stand here stay; the page that waits says the rest itself.
    if (outcome !== "failed") setTimeout(() => window.close(), 150);
    setTimeout(() => { document.getElementById("after").hidden = false; }, 1000);
  }

  async function connect() {
    // The first letter says whose card it was; the server trusts only what it wrote down itself.
    const side = state.startsWith("t") ? "trader" : "client";
    try {
      const answer = await fetch(`/${side}/broker/${broker}/connect`, {
        method: "POST",
        credentials: "same-origin",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ ...reply, state }),
      });
      const body = await answer.json();
      if (answer.ok) return ["connected", `${body.message}.`];
      if (answer.status === 401) return ["failed", "You are signed out. Sign in to Lockstep, then connect again."];
      return ["failed", body.message ?? "That did not work. Connect again."];
    } catch {
      return ["failed", "Lockstep could not be reached. Check your connection, then connect again."];
    }
  }

  function tell(message) {
    const channel = new BroadcastChannel("broker-connect");
    channel.postMessage(message);
    channel.close();
    if (window.opener) window.opener.postMessage(message, location.origin);
  }
})();
