// Cells: fixing a value in its place. Without this, the same button leads to a page with the same form.
let back = "";  // the button that gets the focus again
let was = null; // what a cell held before its form came: { cell, nodes }

const put = () => {
  if (!was) return;
  was.cell.replaceChildren(...was.nodes);
  was = null;
};

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button.edit");
  if (button && window.htmx && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    put();
    back = button.id;
    const cell = button.closest("td");
    const url = new URL(button.formAction);
    for (const [name, value] of new FormData(button.form)) url.searchParams.set(name, value);
    was = { cell, nodes: [...cell.childNodes] };
    htmx.ajax("GET", url.pathname + url.search, { target: cell, swap: "innerHTML" });
  } else if (was && event.target.closest?.(".cell-form .cancel")) {
    event.preventDefault();
    put();
    document.getElementById(back)?.focus();
  }
});

document.addEventListener("keydown", (event) => {
  const form = event.target.closest?.("td .cell-form");
  if (!form || event.isComposing) return;
  if (event.key === "Escape") {
    event.preventDefault();
    put();
    document.getElementById(back)?.focus();
  } else if (event.key === "Enter" && event.target.matches("textarea") && !event.shiftKey) {
    event.preventDefault();
    form.requestSubmit();
  }
});

// After a change the focus goes back to its cell; where the filter hides that row now, to what was done.
document.addEventListener("htmx:after:swap", (event) => {
  const title = document.getElementById("work")?.dataset.title;
  if (title) document.title = `${title} · Task importer for Genesys Cloud`;
  const told = document.querySelector("#told > *"); // what was not done stands at the top
  if (told && event.detail?.ctx?.sourceElement?.id !== "news") told.scrollIntoView({ block: "center" });
  if (document.querySelector("td .cell-form")) return;
  was = null;
  const method = event.detail?.ctx?.request?.method;
  if (method !== "POST") return;
  const place = document.getElementById(back) ?? document.getElementById("done") ?? document.getElementById("refused");
  back = "";
  place?.focus();
});
