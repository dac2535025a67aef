/** How photographs come in: chosen, photographed, dropped, pasted. */

import { byId } from "./dom.js";

/* Of a folder, only these are taken: what else lies there is no mistake. */
const IMAGE = /\.(jpe?g|png|webp|bmp|gif|tiff?|jp2|avif|heic|heif|ppm|pgm)$/i;

/**
 * Call `receive` with all that a person gives to the page.
 *
 * @param {function({file: File, folder: string}[])} receive - folder: "" for
 *   a single file.
 */
export function listenForFiles(receive) {
  for (const id of ["choose-files", "take-photograph", "choose-folder"]) {
    const input = byId(id);
    input.addEventListener("change", () => {
      receive(input.webkitdirectory
        ? [...input.files].filter(isImage).sort(byPath).map(withFolder)
        : [...input.files].map((file) => ({ file, folder: "" })));
      // So that the same file can be chosen again.
      input.value = "";
    });
  }
  document.addEventListener("paste", (event) => {
    const files = [...event.clipboardData.files];
    if (files.length) {
      event.preventDefault();
      receive(files.map((file) => ({ file, folder: "" })));
    }
  });
  listenForDrops(receive);
}

/** The whole page takes drops: a file beside the zone would replace it. */
function listenForDrops(receive) {
  let inside = 0;   // elements that the pointer has entered, and not left
  const show = (count, event) => {
    inside = count;
    document.body.toggleAttribute(
      "data-dragging",
      inside > 0 && event.dataTransfer.types.includes("Files"));
  };
  document.addEventListener("dragenter", (event) => show(inside + 1, event));
  document.addEventListener("dragleave", (event) => show(inside - 1, event));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", async (event) => {
    event.preventDefault();
    show(0, event);
    // The list of items is empty after the first await.
    const entries = [...event.dataTransfer.items]
      .map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const loose = [...event.dataTransfer.files];
    receive(entries.length
      ? (await Promise.all(entries.map((entry) => walk(entry)))).flat()
      : loose.map((file) => ({ file, folder: "" })));
  });
}

/** Return the files of a FileSystemEntry; of a folder, all images below. */
async function walk(entry, folder = "") {
  if (entry.isFile) {
    const file = await new Promise((resolve) => {
      entry.file(resolve, () => resolve(null));
    });
    return file && (!folder || isImage(file)) ? [{ file, folder }] : [];
  }
  const path = folder ? `${folder}/${entry.name}` : entry.name;
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    // A reader gives a hundred at a time, and none at the end.
    const batch = await new Promise((resolve) => {
      reader.readEntries(resolve, () => resolve([]));
    });
    if (!batch.length) {
      break;
    }
    found.push(...batch);
  }
  found.sort((one, other) => compare(one.name, other.name));
  const inside = await Promise.all(found.map((item) => walk(item, path)));
  return inside.flat();
}

function isImage(file) {
  return !file.name.startsWith(".")
    && (file.type.startsWith("image/") || IMAGE.test(file.name));
}

/** Compare names as people count: "image 9" comes before "image 10". */
const { compare } = new Intl.Collator(undefined, { numeric: true });

function byPath(one, other) {
  return compare(one.webkitRelativePath, other.webkitRelativePath);
}

function withFolder(file) {
  const parts = file.webkitRelativePath.split("/");
  return { file, folder: parts.slice(0, -1).join("/") };
}
