import svelte from "eslint-plugin-svelte"
import typescript from "typescript-eslint"

import svelteConfig from "./svelte.config.js"

// Names, alerts and news are hostile text: they reach the page as text nodes only.
const refusedProperties = ["innerHTML", "outerHTML", "insertAdjacentHTML", "srcdoc"]

export default typescript.config(
  { ignores: ["dist", "node_modules", "src/wire/types.ts"] },
  ...typescript.configs.strict,
  ...svelte.configs.recommended,
  {
    files: ["**/*.svelte", "**/*.svelte.ts"],
    languageOptions: {
      parserOptions: { parser: typescript.parser, extraFileExtensions: [".svelte"], svelteConfig },
    },
  },
  {
    rules: {
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-new-func": "error",
      "no-console": "error",
      eqeqeq: "error",
      "svelte/no-at-html-tags": "error",
      "svelte/prefer-svelte-reactivity": "off", // plain Maps and Sets are wanted here
      "no-restricted-properties": [
        "error",
        { object: "document", property: "write", message: "hostile text goes into text nodes" },
        { object: "document", property: "writeln", message: "hostile text goes into text nodes" },
      ],
      "no-restricted-syntax": [
        "error",
        ...refusedProperties.map((name) => ({
          selector: `MemberExpression[property.name="${name}"]`,
          message: `${name}: hostile text goes into text nodes`,
        })),
        {
          selector: 'SvelteAttribute[key.name="style"]',
          message: "the content security policy blocks style attributes: use a class or style:name",
        },
      ],
    },
  },
)
