/** Puts what is shown into the address, so that a link to it shows the same; the way back stays as it was. */
function setAddress(address) {
  history.replaceState(null, "", `#${address}`);
}

/**
 * Makes the links to the parts of the page a tab list; the address keeps which is open, as in #models/3/1. `opened` has a
 * part show what an address names, and returns the address of what it shows, if that says more than the part.
 */
function startTabs(opened) {
  const list = document.getElementById("tabs");
  const tabs = [...list.querySelectorAll("a")];
  list.setAttribute("role", "tablist");
  for (const tab of tabs) {
    const panel = document.getElementById(tab.hash.slice(1));
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", panel.id);
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", tab.id);
    panel.tabIndex = -1;
  }

  /** Shows the part that an address names, without one the first; says whether there is such a part. */
  function show(address) {
    const [name, ...rest] = address.replace("#", "").split("/");
    const chosen = name ? tabs.find((tab) => tab.hash === `#${name}`) : tabs[0];
    if (!chosen) return false;
    for (const tab of tabs) {
      tab.setAttribute("aria-selected", String(tab === chosen));
      tab.tabIndex = tab === chosen ? 0 : -1;
      document.getElementById(tab.hash.slice(1)).hidden = tab !== chosen;
    }
    const whole = opened(chosen.hash.slice(1), rest.filter(Boolean).map(Number).filter(Number.isInteger));
    if (whole) setAddress(whole);
    return true;
  }

  list.addEventListener("keydown", (event) => {
    // With one of these the key is the browser's: Alt and an arrow go back, Ctrl and Home to the top.
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const at = tabs.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (event.key === " ") document.activeElement.click();
    else if (to === undefined || at < 0) return;
    else open(tabs.at(to % tabs.length));
    event.preventDefault();
  });
  for (const tab of tabs) {
    tab.addEventListener("click", (event) => {
      event.preventDefault();
      open(tab);
    });
  }

  function open(tab) {
    history.pushState(null, "", tab.hash);
    show(tab.hash);
    tab.focus({ preventScroll: true });
  }

  function follow() {
    if (show(location.hash)) scrollTo(0, 0);
  }
  addEventListener("popstate", follow);
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    tabs.find((tab) => tab.tabIndex === 0).focus();
  });
  show("");
  // The browser went to the part that the address names while all parts were still below each other.
  follow();
  return (name) => open(document.getElementById(`tab-${name}`));
}
