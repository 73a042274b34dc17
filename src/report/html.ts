import { printableLines } from '../errors.ts';

/** Markup, made of nothing but our own words and of texts that were escaped. */
export class Html {
  readonly markup: string;

  constructor(markup: string) {
    this.markup = markup;
  }
}

type Content = Html | string | number | null | undefined | readonly Content[];

/**
 * A template whose texts become text, whatever is in them: whoever named a volume, or wrote a Pod, chose some of it.
 * Lists are written one after the other; nothing for null and undefined.
 */
export function html(markup: TemplateStringsArray, ...contents: readonly Content[]): Html {
  return new Html(String.raw({ raw: markup }, ...contents.map(markupOf)));
}

function markupOf(content: Content): string {
  if (content === null || content === undefined) return '';
  if (content instanceof Html) return content.markup;
  return Array.isArray(content) ? content.map(markupOf).join('') : escaped(String(content));
}

/** Its beginning and its end are shown; a list in a word, with commas or quotes, is none. */
const longWord = /([^\s,"]{200})[^\s,"]{100,}([^\s,"]{100})/gu;

/**
 * As the text of an element, and in a quoted attribute. Nothing in it turns the direction of what stands beside it, and
 * no word is as long as to push the rest from the page: those who name volumes may take thousands of letters.
 */
export function escaped(text: string): string {
  const short = text.toWellFormed().replace(longWord, (_, first, last) => `${first}…${last}`);
  return printableLines(short).replace(/[&<>"'`]/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** A table with a heading for each column, which a narrow screen shows beside each cell. @param caption what it shows. */
export function table(
  caption: string,
  headings: readonly string[],
  rows: readonly (readonly Content[])[],
): Html {
  const head = headings.map((heading) => html`<th scope="col">${heading}</th>`);
  const body = rows.map(
    (row) =>
      html`<tr>${row.map((cell, column) => html`<td data-of="${headings[column]}">${cell}</td>`)}</tr>\n`,
  );
  return html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0"><table><caption>${caption}</caption>
<thead><tr>${head}</tr></thead><tbody>
${body}</tbody></table></div>\n`;
}

/** Names and what each is: the same without headings. */
export function facts(caption: string, rows: readonly (readonly [name: string, value: Content])[]): Html {
  const body = rows.map(([name, value]) => html`<tr><th scope="row">${name}</th><td>${value}</td></tr>\n`);
  return html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0"><table class="facts"><caption>${caption}</caption><tbody>
${body}</tbody></table></div>\n`;
}

/** What is shown when it is asked for; on paper where it was open, or is to be there. */
export function folded(summary: Content, content: Content, isOnPaper = false): Html {
  return html`<details${isOnPaper ? html` class="on-paper"` : null}><summary>${summary}</summary>${content}</details>`;
}
