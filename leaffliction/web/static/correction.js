/** "Right", "it is ...", "not a leaf": what a person says to an answer. */

import { element, icon } from "./dom.js";

const NOT_A_LEAF = "not_a_leaf";   // for the engine; a key of the texts, too
const NEW_CLASS = "";    // the value of "another name" in the menu

/**
 * Return the buttons that correct an answer, or what was saved.
 *
 * @param {Photograph} photograph - answered.
 * @param {object} page - language, classes, and correct(photograph, name)
 *   and undo(photograph), which change photograph.correction and reject with
 *   an EngineError.
 * @returns {HTMLElement}
 */
export function correction(photograph, page) {
  const { language } = page;
  const group = element("div", {
    class: "correction", role: "group",
    "aria-label": language.text("correction", { name: photograph.name }) });
  const message = element("p", { class: "message", role: "alert" });

  /** Show buttons; focus: on the first of them. */
  const show = (children, focus = true) => {
    message.textContent = "";
    group.replaceChildren(...children.filter(Boolean), message);
    if (focus) {
      group.querySelector("select, button").focus();
    }
  };
  const attempt = async (action) => {
    try {
      await action();
      showState();
    } catch (error) {
      message.textContent = [language.text(`error_${error.code}`),
                             error.detail].filter(Boolean).join(" ");
    }
  };
  const save = (name) => attempt(() => page.correct(photograph, name));
  const undo = () => attempt(() => page.undo(photograph));
  const ask = () => show([form(photograph, page, save, showState)]);
  const showState = (focus = true) => show(
    photograph.correction ? saved(photograph, language, undo)
      : question(photograph, language, save, ask), focus);
  showState(false);
  return group;
}

/** Where the answer is no diagnosis, there is nothing to call right. */
function question({ answer }, language, save, ask) {
  const button = (key, onclick) => element(
    "button", { type: "button", onclick }, language.text(key));
  return [
    element("span", { class: "question" }, language.text(
      answer.known ? "is_it_right" : "do_you_know")),
    answer.known && button("right", () => save(answer.classes[0].name)),
    button("it_is", ask),
    button("not_a_leaf", () => save(NOT_A_LEAF)),
  ];
}

function saved({ correction: { className } }, language, undo) {
  const name = className === NOT_A_LEAF ? language.text(NOT_A_LEAF)
    : language.className(className);
  return [
    element("span", { class: "saved" }, icon("check"),
            language.text("saved", { name })),
    element("button", { type: "button", onclick: undo },
            language.text("undo")),
  ];
}

function form(photograph, page, save, cancel) {
  const { language } = page;
  const menu = classMenu(photograph.answer, page);
  const name = element("input", {
    type: "text", required: true, maxlength: 80, autocomplete: "off" });
  const nameLabel = element("label", { hidden: true },
                            language.text("new_name"), " ", name);
  const update = () => {
    nameLabel.hidden = name.disabled = menu.value !== NEW_CLASS;
  };
  menu.addEventListener("change", update);
  update();
  return element(
    "form", { onsubmit: (event) => {
      event.preventDefault();
      save(menu.value || name.value.trim());
    } },
    element("label", {}, language.text("it_is"), " ", menu), nameLabel,
    element("button", { type: "submit", class: "main" },
            language.text("save")),
    element("button", { type: "button", onclick: cancel },
            language.text("cancel")));
}

/** The classes, the likeliest of the others chosen, and a new one. */
function classMenu({ classes, known }, { language }) {
  const chosen = classes[known && classes.length > 1 ? 1 : 0].name;
  const options = classes
    .map(({ name }) => [name, language.className(name)])
    .sort((one, other) => one[1].localeCompare(other[1], language.code));
  options.push([NEW_CLASS, language.text("another_class")]);
  return element("select", {}, ...options.map(([value, text]) => element(
    "option", { value, selected: value === chosen }, text)));
}
