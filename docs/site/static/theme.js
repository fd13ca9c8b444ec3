// Runs before the page is drawn, so that it never flashes in the other colours. The theme's own switch stores the word.
try {
  document.body.dataset.theme = localStorage.getItem("theme") || "auto";
} catch {
  document.body.dataset.theme = "auto"; // storage is forbidden: follow the system
}
