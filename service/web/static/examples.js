/** Queries that the page offers. A test checks that the default model hears those of the demo and knows all their words. */

export const DEMO_QUERIES = ["a dog barks", "a siren wails", "someone is speaking", "something fries in a pan"];

export const EXAMPLES = [
  "a dog barks",
  "someone is speaking",
  "birds chirp",
  "a siren wails",
  "rain falls",
  "footsteps",
  "a door closes",
  "people laugh",
  "a car horn honks",
  "water runs from a tap",
  "an alarm clock rings",
  "something fries in a pan",
];
