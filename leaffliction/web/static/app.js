/**
 * The page: photographs come in, answers come out, a person corrects them.
 *
 * This module connects the others.  For tests, and for style.css:
 *
 *   body[data-empty]      there are no photographs
 *   body[data-dragging]   files are dragged over the page
 *   body[data-ready]      the page listens
 *   li.row[data-state]    waiting, asking, done, error
 *   li.row[data-known]    true, false; "" before the answer
 *   li.plant[data-state]  waiting, done
 */

import { byId, element } from "./dom.js";
import { rowsOf, save } from "./downloads.js";
import { createEngine } from "./engine_choice.js";
import { showFilters } from "./filters.js";
import { listenForFiles } from "./intake.js";
import { chooseLanguage, Language, rememberedLanguage,
         rememberLanguage } from "./languages.js";
import { List } from "./list.js";
import { copyCommand, listenForClosing, openPanel, showCorrections,
         showPhone } from "./panels.js";
import { createPhotograph } from "./photographs.js";
import { announce, showProgress } from "./progress.js";
import { Queue } from "./queue.js";
import { listenForSelection, showSelection } from "./selection.js";
import { shrink, THUMBNAIL } from "./thumbnails.js";
import { ViewStore } from "./views.js";

const engine = createEngine();
const ask = ({ file, name }) => engine.predict(file, name, page.model.name);
let models = [];
let corrections = null;     // the state that the engine told last

/** What the rows, plants and panels need, and ask for. */
const page = {
  engine,
  language: null,
  model: null,
  views: new ViewStore(ask),
  refresh,
  remove,
  again: (photographs) => queue.again(photographs),
  select(photograph, isSelected) {
    photograph.selected = isSelected;
    showSelection(list, page.language);
  },
  async correct(photograph, className) {
    const { file, name } = photograph;
    const { id, state } = await engine.correct(file, name, page.model.name,
                                               className);
    photograph.correction = { id, className };
    keep(photograph);
    setCorrections(state);
    announce(page.language.text("saved_aloud"));
  },
  async undo(photograph) {
    const { state } = await engine.undo(photograph.correction.id);
    photograph.correction = null;
    keep(photograph);
    setCorrections(state);
  },
  photographsOf: (plant) => list.photographsOf(plant),
  ungroup: (plant) => list.ungroup(plant),
};

const list = new List(byId("list"), page);
const queue = new Queue({
  ask: predict,
  reach: () => engine.models(),
  changed(photograph) {
    if (photograph) {
      list.render(photograph);
      keep(photograph);
    }
    refresh();
  },
});

/** Predict a photograph, and keep what its row shows. */
async function predict(photograph) {
  const { views, ...answer } = await ask(photograph);
  page.views.put(photograph, views);
  // Without one, the row shows the file itself.
  photograph.thumbnail = await shrink(views.photograph, THUMBNAIL)
    .catch(() => null);
  return answer;
}

/** Keep a photograph for the next time, where the engine can. */
function keep(photograph) {
  if (photograph.state === "done") {
    // Storage may be full or off: the page works without.
    engine.history?.put(photograph, page.views).catch(() => {});
  }
}

function receive(files) {
  const photographs = files.map(({ file, folder }) => createPhotograph(
    file, folder));
  list.add(photographs);
  queue.add(photographs);
}

/** Remove photographs from the page, and from what it keeps of them. */
function remove(photographs) {
  engine.history?.remove(photographs).catch(() => {});
  const next = list.elementOf(photographs.at(-1)).nextElementSibling;
  queue.remove(photographs);
  photographs.forEach((photograph) => page.views.remove(photograph));
  list.remove(photographs);
  (next?.isConnected ? next.querySelector("input")
    : byId("choose-files")).focus();
  refresh();
}

let isPlanned = false;

/** Bring what stands above and below the list up to date, once a frame. */
function refresh() {
  if (isPlanned) {
    return;
  }
  isPlanned = true;
  requestAnimationFrame(() => {
    isPlanned = false;
    const { photographs } = list;
    document.body.toggleAttribute("data-empty", !photographs.length);
    byId("results").hidden = !photographs.length;
    byId("by-folder").hidden = !photographs.some(
      ({ folder, plant }) => folder && !plant);
    byId("privacy").textContent = page.language.text(
      `privacy_${engine.place}`);
    showProgress(queue, page.language);
    showFilters(list, page.language);
    showSelection(list, page.language);
  });
}

function setCorrections(state) {
  corrections = state;
  showCorrections(state, page.language);
}

async function setLanguage(code) {
  page.language = new Language(code, await engine.texts(code));
  page.language.apply();
  showKnown();
  list.renderAll();
  if (corrections) {
    showCorrections(corrections, page.language);
  }
  refresh();
}

/** Say which classes the chosen model knows. */
function showKnown() {
  const { language, model } = page;
  byId("knows").textContent = language.text("knows", {
    classes: model.classes.map((name) => language.className(name))
      .join(", ") });
}

function setModel(name) {
  page.model = models.find((model) => model.name === name);
  showKnown();
  // The answers of one model say nothing about those of another.
  list.photographs.forEach((item) => page.views.remove(item));
  queue.again(list.photographs);
}

/** Fill a menu, and hide it where it leaves no choice. */
function fillMenu(id, options, chosen, change) {
  const menu = byId(id);
  menu.append(...options.map(([value, text]) => element(
    "option", { value, selected: value === chosen }, text)));
  menu.parentElement.hidden = options.length < 2;
  menu.addEventListener("change", () => change(menu.value));
}

async function download(kind) {
  const { language, model } = page;
  const state = byId("download-state");
  state.textContent = language.text("preparing");
  try {
    const rows = await rowsOf(list, kind === "report");
    const blob = await (kind === "report"
      ? engine.report(rows, model.name, language.code)
      : engine.csv(rows, model.name));
    save(blob, kind === "report" ? "report.html" : "predictions.csv");
    state.textContent = "";
  } catch (error) {
    state.textContent = language.text(`error_${error.code}`);
  }
}

async function deleteCorrections() {
  if (confirm(page.language.text("delete_corrections_sure"))) {
    setCorrections(await engine.deleteCorrections());
    for (const photograph of list.photographs) {
      if (photograph.correction) {
        photograph.correction = null;
        keep(photograph);
        list.render(photograph);
      }
    }
  }
}

function listen() {
  const onClick = (id, action) => byId(id).addEventListener("click", action);
  listenForFiles(receive);
  listenForSelection(list, page);
  listenForClosing();
  byId("order").addEventListener("change", (event) => {
    list.order = event.target.value;
    list.arrange();
  });
  onClick("by-folder", () => { list.groupByFolder(); refresh(); });
  onClick("save-csv", () => download("csv"));
  onClick("save-report", () => download("report"));
  onClick("clear", () => remove(list.photographs));
  onClick("copy", () => copyCommand(page.language));
  onClick("save-corrections", async () => save(
    await engine.saveCorrections(), "corrections.zip"));
  onClick("delete-corrections", deleteCorrections);
  onClick("open-corrections", () => openPanel("corrections"));
  onClick("open-phone", async () => {
    await showPhone(engine, page.language);
    openPanel("phone");
  });
}

async function start() {
  models = await engine.models();
  queue.parallel = engine.parallel;
  [page.model] = models;
  const codes = engine.languages.map(({ code }) => code);
  const chosen = chooseLanguage(
    [rememberedLanguage(), ...navigator.languages], codes);
  await setLanguage(chosen);
  const names = engine.languages.map(({ code, name }) => [code, name]);
  fillMenu("language", names, chosen, (code) => {
    rememberLanguage(code);
    setLanguage(code);
  });
  fillMenu("model", models.map(({ name }) => [name, name]),
           page.model.name, setModel);
  byId("open-corrections").hidden = !engine.can.corrections;
  byId("open-phone").hidden = !engine.can.phone;
  byId("save-report").hidden = !engine.can.report;
  if (engine.can.corrections) {
    setCorrections(await engine.corrections());
  }
  if (engine.history) {
    // Below the photographs of the last weeks, nobody finds the answer.
    list.order = byId("order").value = "newest";
  }
  list.add(await engine.history?.restore(createPhotograph)
    .catch(() => []) ?? []);
  listen();
  refresh();
  document.body.toggleAttribute("data-ready", true);
}

start().catch((error) => {
  byId("not-started").hidden = false;
  if (!error.code) {
    throw error;      // A bug: the browser's console shows where it is.
  }
});
