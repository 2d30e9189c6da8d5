/** Filters the gallery by class and condition, and unfolds what is asked for. */
function startGallery(data) {
  const find = (id) => document.getElementById(id);
  const form = find("gallery-filters");
  if (!form) return;
  const [name, condition, unfold, count] = ["name", "condition", "unfold", "count"].map((id) => find(`gallery-${id}`));
  const sections = [...document.querySelectorAll(".of-condition")];
  const folded = new Map(sections.map((section) => [section, section.open]));
  const all = document.querySelectorAll(".of-condition .example").length;
  for (const section of sections) {
    condition.append(make("option", { value: section.dataset.condition }, data.conditions[section.dataset.condition].label));
  }

  function update() {
    const wanted = name.value.trim().toLowerCase();
    const asked = wanted !== "" || condition.value !== "";
    let found = 0;
    for (const section of sections) {
      let here = 0;
      for (const example of section.querySelectorAll(".example")) {
        const shown = data.classes[example.dataset.class].toLowerCase().includes(wanted);
        example.hidden = !shown;
        here += shown;
      }
      section.hidden = here === 0 || (condition.value !== "" && condition.value !== section.dataset.condition);
      section.open = asked || folded.get(section);
      if (!section.hidden) found += here;
    }
    count.textContent = `${grouped(found)} of ${grouped(all)} ${all === 1 ? "example" : "examples"}`;
    name_unfold();
  }

  function name_unfold() {
    unfold.textContent = sections.some((section) => !section.hidden && !section.open) ? "Unfold all" : "Fold all";
  }

  for (const control of [name, condition]) control.addEventListener("input", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  unfold.addEventListener("click", () => {
    const open = unfold.textContent === "Unfold all";
    for (const section of sections) section.open = open;
    name_unfold();
  });
  for (const section of sections) section.addEventListener("toggle", name_unfold);
  form.hidden = false;
  update();
}

/** Copies of the pictures that the gallery has of a class: under this condition, or else under others. */
function picturesOf(index, condition) {
  const found = [...document.querySelectorAll(`.of-condition .example[data-class="${index}"]`)].filter((example) => example.querySelector(".pictures"));
  const here = found.filter((example) => example.closest(".of-condition").dataset.condition === String(condition));
  return (here.length ? here : found).map((example) => example.querySelector(".pictures").cloneNode(true));
}
