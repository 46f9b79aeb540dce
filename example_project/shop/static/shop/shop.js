"use strict";

// Buttons that need this script are shown only if it runs.
document.documentElement.classList.add("js");

// On the order page, poll the status of each order from django_airalo's REST API, and let htmx replace the page's part
// when a status has changed or more eSIMs were delivered. Settled orders have no data-order-url, so polling ends.
const POLL_MS = 1000;

async function hasChanged(section) {
  const response = await fetch(section.dataset.orderUrl, { headers: { Accept: "application/json" } });
  if (!response.ok) return false;
  const order = await response.json();
  return order.status !== section.dataset.orderStatus || String(order.missing) !== section.dataset.missing;
}

async function watchOrders() {
  const sections = [...document.querySelectorAll("[data-order-url]")];
  if (sections.length === 0) return;
  try {
    const changed = await Promise.all(sections.map(hasChanged));
    if (changed.includes(true)) htmx.trigger("#order-status", "order-changed");
  } catch {
    // The shop cannot be reached; try again in the next round.
  }
  setTimeout(watchOrders, POLL_MS);
}

// The copy buttons of the activation codes.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const field = document.getElementById(button.dataset.copy);
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    return; // Not allowed. The code is selected, so that it can be copied by hand.
  }
  const status = button.parentElement.querySelector("[role=status]");
  status.textContent = button.dataset.done;
  setTimeout(() => (status.textContent = ""), 2000);
});

// Announce what htmx has replaced to screen readers, once.
function announcement() {
  return [...document.querySelectorAll("[data-announce]")].map((element) => element.textContent.trim()).join(" ");
}

let announced = announcement();
document.addEventListener("htmx:afterSettle", () => {
  if (announcement() === announced) return;
  announced = announcement();
  document.getElementById("announcement").textContent = announced;
});

watchOrders();
