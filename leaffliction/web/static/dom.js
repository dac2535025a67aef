/** Build elements of the page.  Text never becomes markup. */

/**
 * Return a new element.
 *
 * @param {string} tag - for example "button".
 * @param {Object<string, any>} attributes - by name; one that begins with
 *   "on" is a listener ("onclick"); true sets an empty attribute; false, null
 *   and undefined set none.
 * @param {...(Node|string|null|false)} children - null, false and "" are left
 *   out.
 * @returns {HTMLElement}
 */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) {
      node.addEventListener(name.slice(2), value);
    } else if (value !== false && value != null) {
      node.setAttribute(name, value === true ? "" : value);
    }
  }
  node.append(...children.filter((child) => child != null && child !== false
                                 && child !== ""));
  return node;
}

/**
 * Return a picture from the symbols of index.html, hidden from screen readers.
 *
 * @param {string} name - of the symbol, without "icon-".
 * @returns {SVGElement}
 */
export function icon(name) {
  const namespace = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(namespace, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(namespace, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/**
 * Return a bar that shows a share.  The number stands beside it as text, so
 * screen readers pass over the bar.
 *
 * @param {number} share - 0..1.
 * @returns {HTMLElement}
 */
export function bar(share) {
  const filled = element("span");
  // The Content-Security-Policy allows this, but no style attribute.
  filled.style.inlineSize = `${100 * share}%`;
  return element("span", { class: "bar", "aria-hidden": "true" }, filled);
}

/**
 * Return the element of index.html with an id.
 *
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  return document.getElementById(id);
}
