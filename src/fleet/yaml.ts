import { Document, isNode, visit } from 'yaml';

/** A YAML document: its content, and comments by the path of what they stand above, `spec.template.spec.hostPID`. */
export interface CommentedDocument {
  readonly content: unknown;
  readonly comments: Readonly<Record<string, string>>;
}

/** `documents` as one YAML text, `---` between them. @throws when a comment's path leads nowhere: a bug. */
export function yamlText(documents: readonly CommentedDocument[]): string {
  return documents.map(documentText).join('---\n');
}

function documentText({ content, comments }: CommentedDocument): string {
  const document = new Document(content, { aliasDuplicateObjects: false, compat: 'yaml-1.1' });
  for (const [path, comment] of Object.entries(comments)) {
    const keys = path.split('.');
    const key = keys.pop() ?? '';
    let isFound = false;
    visit(document, {
      Pair(_, pair, ancestors) {
        const keyPath = [...ancestors.flatMap(keyOf), keyOf(pair).join()];
        if (keyPath.join('.') !== [...keys, key].join('.') || !isNode(pair.key)) return;
        pair.key.commentBefore = comment.replace(/^/gm, ' ');
        isFound = true;
      },
    });
    if (!isFound) throw new Error(`no ${path} to put a comment on`);
  }
  return document.toString({ lineWidth: 0 });
}

/** The key of a pair. Entries of a list have none, and share the path of the list. */
function keyOf(node: unknown): readonly string[] {
  const key = (node as { readonly key?: { readonly value?: unknown } }).key;
  return key?.value === undefined ? [] : [String(key.value)];
}
