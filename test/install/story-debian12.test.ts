import { DISTRIBUTIONS, defineStory } from './story.ts';

defineStory(DISTRIBUTIONS.debian12);
