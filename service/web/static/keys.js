/** The API key, which a service may ask for; the browser keeps it until the tab is closed. */

import { byId } from "./dom.js";

const NAME = "earmark-key";

export class Keys {
  #dialog = byId("key-dialog");
  #asking = null;

  current() {
    return sessionStorage.getItem(NAME);
  }

  /** Asks for a key; `isWrong` if the service has refused the current one. Returns whether there is a new key. */
  ask(isWrong) {
    this.#asking ??= this.#ask(isWrong).finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  #ask(isWrong) {
    const input = byId("key-input");
    input.value = "";
    byId("key-wrong").hidden = !isWrong;
    this.#dialog.returnValue = "";
    this.#dialog.showModal();
    input.focus();
    return new Promise((resolve) => {
      this.#dialog.addEventListener(
        "close",
        () => {
          const key = input.value.trim();
          input.value = "";
          if (this.#dialog.returnValue === "use" && key) sessionStorage.setItem(NAME, key);
          else sessionStorage.removeItem(NAME);
          resolve(this.#dialog.returnValue === "use" && key !== "");
        },
        { once: true },
      );
    });
  }
}
