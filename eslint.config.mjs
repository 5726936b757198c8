import jupyter from '@jupyter/eslint-plugin';
import tseslint from 'typescript-eslint';

const SOURCES = ['extension/**/*.ts', 'extension/**/*.tsx', 'tests/{ui,benchmarks}/**/*.ts'];
const [jupyterSources] = jupyter.configs.recommended;

export default tseslint.config(
  { ignores: ['extension/lib/', 'extension/src/messages.ts', 'tests/ui/test-results/'] },
  {
    files: SOURCES,
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { project: './tsconfig.json' } },
    rules: {
      curly: 'error',
      eqeqeq: 'error',
      'no-restricted-properties': [
        'error',
        ...['innerHTML', 'outerHTML', 'insertAdjacentHTML'].map(property => ({
          property,
          message: 'What comes from a kernel is text; nothing here renders HTML.'
        }))
      ],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowArray: true }
      ],
      // Lumino's signals take the method and its "this" apart.
      '@typescript-eslint/unbound-method': 'off'
    }
  },
  {
    files: ['extension/src/**/*.ts', 'extension/src/**/*.tsx'],
    plugins: { jupyter },
    rules: {
      ...jupyterSources.rules,
      // What the plugins import is needed at once; the large part, the chart, is loaded lazily.
      'jupyter/prefer-lazy-imports': 'off'
    }
  }
);
