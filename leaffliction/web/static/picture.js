/** The picture of a row, and the choice of its views. */

import { lesionText } from "./answer.js";
import { byId, element } from "./dom.js";

/** Bytes of a file that is not shown itself: Chromium keeps the 50 MB to which
 * it decodes 12 megapixels, for each of them. */
const LARGE = 1_000_000;

/**
 * Return the picture of a photograph; once it is answered, with its views.
 *
 * @param {Photograph} photograph
 * @param {object} page - engine, language, views (a ViewStore).
 * @returns {HTMLElement}
 */
export function picture(photograph, page) {
  const { language } = page;
  const isDone = photograph.state === "done";
  const image = element("img", { alt: "", loading: "lazy", decoding: "async",
                                 draggable: "false" });
  show(photograph, image, thumbnailOf(photograph));
  const frame = element(isDone ? "button" : "div", {
    class: "frame", type: isDone && "button",
    "aria-label": isDone && language.text("enlarge",
                                          { name: photograph.name }),
    onclick: () => isDone && enlarge(photograph, page) }, image);
  const figure = element("figure", { class: "picture" }, frame);
  // A file that is no image has no picture.
  image.addEventListener("error", () => { figure.hidden = true; });
  if (isDone) {
    addViews(figure, photograph, image, page);
  }
  return figure;
}

function addViews(figure, photograph, image, page) {
  const caption = element("p", { class: "caption", role: "status" });
  const choose = (view) => {
    photograph.view = view;
    return showView(photograph, image, caption, page);
  };
  if (photograph.view !== "photograph") {
    choose(photograph.view);
  }
  figure.append(viewButtons(photograph, page, choose), caption);
}

/** Show the chosen view of a photograph, and say what it shows. */
async function showView(photograph, image, caption, { views, language }) {
  const { view } = photograph;
  caption.textContent = "";
  if (view === "photograph") {
    show(photograph, image, thumbnailOf(photograph));
    return;
  }
  try {
    const blob = await views.get(photograph, view);
    if (view === photograph.view) {     // else another was chosen meanwhile
      show(photograph, image, blob);
      caption.textContent = captionOf(photograph, language);
    }
  } catch (error) {
    caption.textContent = language.text(`error_${error.code}`);
  }
}

function viewButtons(photograph, { engine, language }, choose) {
  const missing = photograph.answer.lesions ? [] : ["leaf", "lesions"];
  return element(
    "fieldset", { class: "views" },
    element("legend", { class: "hidden-text" },
            language.text("views", { name: photograph.name })),
    ...engine.views.map((view) => element(
      "label", {},
      element("input", {
        type: "radio", name: `view-${photograph.id}`, value: view,
        checked: view === photograph.view, disabled: missing.includes(view),
        onchange: () => choose(view) }),
      element("span", {}, language.text(`view_${view}`)))));
}

function captionOf({ view, answer: { lesions } }, language) {
  return view === "lesions" ? lesionText(lesions, language)
    : language.text(`caption_${view}`);
}

/** The thumbnail, or before there is one the file itself, if it is small. */
function thumbnailOf({ thumbnail, file }) {
  return thumbnail ?? (file.size < LARGE ? file : null);
}

/**
 * Show a picture in an image.
 *
 * @param {{url: ?string, image: ?HTMLImageElement}} owner - keeps the address
 *   and who shows it, and frees the last one.
 * @param {HTMLImageElement} image
 * @param {?Blob} blob - null for no picture.
 */
function show(owner, image, blob) {
  if (!blob) {
    return;
  }
  if (owner.image !== image) {
    // It may still wait to be loaded, from an address that ends now.
    owner.image?.removeAttribute("src");
    owner.image = image;
  }
  URL.revokeObjectURL(owner.url);
  owner.url = URL.createObjectURL(blob);
  image.src = owner.url;
}

const large = { url: null, image: null };   // what the dialog shows

async function enlarge(photograph, { views, language }) {
  const image = byId("large-image");
  byId("large-title").textContent = photograph.name;
  image.alt = language.text(`view_${photograph.view}`);
  const blob = await views.get(photograph, photograph.view)
    .catch(() => thumbnailOf(photograph));
  show(large, image, blob);
  byId("large-picture").showModal();
}
