import { DISTRIBUTIONS, defineStory } from './story.ts';

defineStory(DISTRIBUTIONS.rpm);
