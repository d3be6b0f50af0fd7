import type { Experiment, Figure, Finding } from './experiment.ts';

/** What an experiment has come to. */
export interface Outcome {
  readonly name: string;
  readonly title: string;
  readonly hypothesis: string;
  readonly parameters: Experiment['parameters'];
  readonly findings: readonly Finding[];
  readonly figures: readonly Figure[];
}

export async function outcomeOf(
  experiment: Experiment,
  seed: number,
  onProgress: (share: number) => void,
): Promise<Outcome> {
  const { name, title, hypothesis, parameters } = experiment;
  const result = await experiment.run(seed, onProgress);
  return {
    name,
    title,
    hypothesis,
    parameters,
    findings: experiment.findings(result),
    figures: experiment.figures(result),
  };
}
