// What a page amounts to once a browser has laid it out. Written into a page's end by `pages.py`; what it finds
// replaces the frame around the page, as JSON, where `--dump-dom` has it from.
"use strict";

addEventListener("load", () => {
  const root = document.documentElement;

  function ownText(element) {
    return [...element.childNodes]
      .filter((node) => node.nodeType === Node.TEXT_NODE)
      .map((node) => node.data.trim())
      .join(" ")
      .trim();
  }

  function channels(color) {
    const found = color.match(/[\d.]+/g).map(Number);
    return { rgb: found.slice(0, 3), alpha: found[3] ?? 1 };
  }

  function luminance(rgb) {
    const [red, green, blue] = rgb.map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  }

  function ground(element) {
    for (let one = element; one !== null; one = one.parentElement) {
      const { rgb, alpha } = channels(getComputedStyle(one).backgroundColor);
      if (alpha > 0) return rgb;
    }
    return [255, 255, 255];
  }

  // WCAG 2.1, section 1.4.3.
  function contrast(element) {
    const style = getComputedStyle(element);
    const ink = luminance(channels(element instanceof SVGElement ? style.fill : style.color).rgb);
    const paper = luminance(ground(element));
    return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
  }

  function isCutOff(text, drawing) {
    const inner = text.getBoundingClientRect();
    const outer = drawing.getBoundingClientRect();
    return (
      inner.left < outer.left - 1 ||
      inner.right > outer.right + 1 ||
      inner.top < outer.top - 1 ||
      inner.bottom > outer.bottom + 1
    );
  }

  // The height of a box is that of the font, of which letters fill about half.
  function covers(one, other) {
    const wide = Math.min(one.right, other.right) - Math.max(one.left, other.left);
    const high = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
    return wide > 2 && high > 0.5 * Math.min(one.height, other.height);
  }

  // On the screen: of a drawing that is scaled down, letters are, too.
  function size(element) {
    const scale = element instanceof SVGGraphicsElement ? element.getScreenCTM().a : 1;
    return parseFloat(getComputedStyle(element).fontSize) * scale;
  }

  const written = [...document.body.querySelectorAll("*")].filter(
    (element) => ownText(element) !== "" && !element.closest("script, style, title, desc"),
  );
  const cutOff = [];
  const covered = [];
  for (const drawing of document.querySelectorAll("svg")) {
    const texts = [...drawing.querySelectorAll("text")].filter((text) => text.textContent.trim() !== "");
    const boxes = texts.map((text) => text.getBoundingClientRect());
    texts.forEach((text, index) => {
      if (isCutOff(text, drawing)) cutOff.push(text.textContent);
      for (let before = 0; before < index; before += 1) {
        if (covers(boxes[before], boxes[index])) covered.push([texts[before].textContent, text.textContent]);
      }
    });
  }
  const found = {
    width: innerWidth,
    content_width: root.scrollWidth,
    height: document.body.scrollHeight,
    is_dark: matchMedia("(prefers-color-scheme: dark)").matches,
    drawings: document.querySelectorAll("svg").length,
    tables: document.querySelectorAll("table").length,
    fetched: performance.getEntriesByType("resource").map((entry) => entry.name),
    dead_links: [...document.querySelectorAll('a[href^="#"]')]
      .map((link) => link.getAttribute("href").slice(1))
      .filter((id) => document.getElementById(id) === null),
    cut_off: cutOff,
    covered,
    small: written
      .map((element) => [ownText(element).slice(0, 60), Number(size(element).toFixed(2))])
      .filter(([, pixels]) => pixels < 8),
    faint: written
      .map((element) => [ownText(element).slice(0, 60), Number(contrast(element).toFixed(2))])
      .filter(([, ratio]) => ratio < 4.5),
  };
  parent.document.documentElement.textContent = JSON.stringify(found);
});
