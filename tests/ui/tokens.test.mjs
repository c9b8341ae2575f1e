// Every pair of colours that the page puts together can be read, in the light and in the dark.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const [light, dark] = readFileSync(new URL("../../ui/shared/tokens.css", import.meta.url), "utf8")
  .split("@media (prefers-color-scheme: dark)")
  .map((text) => Object.fromEntries([...text.matchAll(/--([a-z-]+): (#[0-9a-f]{6});/g)].map(([, name, value]) => [name, value])));

const luminance = (colour) => {
  const [red, green, blue] = [1, 3, 5]
    .map((at) => parseInt(colour.slice(at, at + 2), 16) / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};

const contrast = (one, other) => {
  const [lighter, darker] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (lighter + 0.05) / (darker + 0.05);
};

for (const [scheme, colours] of Object.entries({ light, dark })) {
  test(`the ${scheme} colours can be read`, () => {
    for (const surface of ["surface", "surface-raised"]) {
      for (const ink of ["ink", "ink-muted", "accent", "positive", "caution", "critical"]) {
        const ratio = contrast(colours[ink], colours[surface]);
        assert.ok(ratio >= 4.5, `${ink} on ${surface}: ${ratio.toFixed(2)}`);
      }
      const edge = contrast(colours.line, colours[surface]);
      assert.ok(edge >= 3, `line on ${surface}: ${edge.toFixed(2)}`);
    }
    assert.ok(contrast(colours["accent-ink"], colours.accent) >= 4.5);
    assert.ok(contrast(colours.ink, colours["line-quiet"]) >= 4.5, "code");
  });
}
