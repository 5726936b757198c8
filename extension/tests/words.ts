/**
 * Finds the words that are for people: in the sources, every call of the translator; in the settings
 * schema, titles and descriptions.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { contextOf } from '../src/settings-words';

/** One entry of a catalogue. */
export interface Words {
  /** The key in a catalogue: the English words, after their context where they have one. */
  readonly key: string;
  /** The English words, singular first. */
  readonly forms: readonly string[];
  readonly place: string;
}

/** What stands between context and words in a key (gettext's own separator). */
const AFTER_CONTEXT = '\u0004';
/**
 * By method of a translation bundle: which arguments are context, singular and plural. The long names
 * (gettext, pgettext) are for words that come from elsewhere, as those of the settings schema do.
 */
const METHODS: Readonly<Record<string, Method>> = {
  __: { forms: [0] },
  _n: { forms: [0, 1] },
  _p: { context: 0, forms: [1] },
  _np: { context: 0, forms: [1, 2] }
};

interface Method {
  readonly context?: number;
  readonly forms: readonly number[];
}

/** The words of all TypeScript files below a folder. */
export function wordsOfSources(folder: string): Words[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(name => /\.tsx?$/.test(name))
    .sort()
    .flatMap(name => wordsOfSource(name, readFileSync(join(folder, name), 'utf8')));
}

/** The words of one TypeScript file; throws where some cannot be known without running it. */
export function wordsOfSource(path: string, text: string): Words[] {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const found: Words[] = [];
  const visit = (node: ts.Node) => {
    if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
      const name = node.expression.name.text;
      const method = Object.hasOwn(METHODS, name) ? METHODS[name] : undefined;
      if (method) {
        const { line } = file.getLineAndCharacterOfPosition(node.getStart());
        found.push(wordsOfCall(node, method, `${path}:${line + 1}`));
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

/** The words of a settings schema, with the contexts under which JupyterLab looks them up. */
export function wordsOfSchema(name: string, schema: unknown, path = ''): Words[] {
  if (typeof schema !== 'object' || schema === null) {
    return [];
  }
  return Object.entries(schema).flatMap(([key, value]) => {
    const place = `${path}/${key}`;
    if (typeof value !== 'string') {
      return wordsOfSchema(name, value, place);
    }
    const context = contextOf(place);
    return context === null || value === ''
      ? []
      : [{ key: `${context}${AFTER_CONTEXT}${value}`, forms: [value], place: `${name}${place}` }];
  });
}

function wordsOfCall(call: ts.CallExpression, { context, forms }: Method, place: string): Words {
  const text = (index: number) => {
    const argument = call.arguments[index];
    const literal = argument && literalOf(argument);
    if (typeof literal !== 'string') {
      throw new Error(`${place}: what is translated must be written out, not computed.`);
    }
    return literal;
  };
  const words = forms.map(text);
  const before = context === undefined ? '' : `${text(context)}${AFTER_CONTEXT}`;
  return { key: `${before}${words[0] ?? ''}`, forms: words, place };
}

function literalOf(node: ts.Expression): string | null {
  if (ts.isStringLiteralLike(node)) {
    return node.text;
  }
  if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken) {
    const [left, right] = [literalOf(node.left), literalOf(node.right)];
    return left === null || right === null ? null : left + right;
  }
  return null;
}
