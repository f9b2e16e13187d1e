/** Queries that the page offers; those of the demo are heard in it. */

export const DEMO_QUERIES = ["a dog barks", "a siren wails", "someone is speaking", "a car horn honks"];

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
