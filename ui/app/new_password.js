// What a new password must be, as the server counts it; it is the server that decides.

const SHORTEST_CHARACTERS = 12;
const LONGEST_CHARACTERS = 128;

/** What is wrong with it, in words; null when nothing is. */
export function passwordProblem(password, again) {
  const characters = [...password.normalize("NFC")].length;
  if (characters < SHORTEST_CHARACTERS || characters > LONGEST_CHARACTERS) {
    return `A password has ${SHORTEST_CHARACTERS} to ${LONGEST_CHARACTERS} characters; several words do well.`;
  }
  return password === again ? null : "The two passwords are not the same.";
}
