// Runs before the first paint: the stored theme, else the system's. Built to its own hashed file.
(() => {
  let stored = null;
  try {
    stored = localStorage.getItem("lockstep-theme");
  } catch {
    // A browser that keeps nothing follows the system.
  }
  const dark = stored ? stored === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
})();
