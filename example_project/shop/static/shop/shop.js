"use strict";

// Buttons that need this script are shown only if it runs.
document.documentElement.classList.add("js");

// The order page: ask django_airalo's REST API how each order does, and let htmx fetch the page's
// part anew when a status has changed. What is final has no data-order-url, so this ends by itself.
const POLL_MS = 1000;

async function hasMoved(section) {
  const response = await fetch(section.dataset.orderUrl, { headers: { Accept: "application/json" } });
  if (!response.ok) return false;
  const order = await response.json();
  return order.status !== section.dataset.orderStatus;
}

async function watchOrders() {
  const sections = [...document.querySelectorAll("[data-order-url]")];
  if (sections.length === 0) return;
  try {
    const moved = await Promise.all(sections.map(hasMoved));
    if (moved.includes(true)) htmx.trigger("#order-status", "moved");
  } catch {
    // The shop cannot be reached just now; the next round tries again.
  }
  setTimeout(watchOrders, POLL_MS);
}

// Copy buttons of the activation codes.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const field = document.getElementById(button.dataset.copy);
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    return; // Not allowed: the code is selected, to be copied by hand.
  }
  const said = button.parentElement.querySelector("[role=status]");
  said.textContent = button.dataset.done;
  setTimeout(() => (said.textContent = ""), 2000);
});

// Say what htmx has put in place, once, to who does not see it.
function news() {
  return [...document.querySelectorAll("[data-news]")].map((element) => element.textContent.trim()).join(" ");
}

let told = news();
document.addEventListener("htmx:afterSettle", () => {
  if (news() === told) return;
  told = news();
  document.getElementById("news").textContent = told;
});

watchOrders();
