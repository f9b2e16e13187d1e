/** Sets the theme that the visitor has chosen before the page is drawn; the system decides otherwise. No module, so it runs first. */
(() => {
  const NAME = "earmark-theme";
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  try {
    chosen = localStorage.getItem(NAME);
  } catch {
    // storage is switched off: the system decides
  }
  const apply = () => {
    root.dataset.theme = chosen ?? (system.matches ? "dark" : "light");
    window.dispatchEvent(new Event("themechange"));
  };
  apply();
  system.addEventListener("change", apply);
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const label = () => {
      const next = root.dataset.theme === "dark" ? "light" : "dark";
      button.setAttribute("aria-label", `Switch to ${next} colours`);
      button.title = button.getAttribute("aria-label");
    };
    label();
    window.addEventListener("themechange", label);
    button.addEventListener("click", () => {
      chosen = root.dataset.theme === "dark" ? "light" : "dark";
      try {
        localStorage.setItem(NAME, chosen);
      } catch {
        // the choice lasts until the page is left
      }
      apply();
    });
  });
})();
