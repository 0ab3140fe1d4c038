"""Reinforcement learning for constrained decision problems: NumPy for deciding, torch for learning.

Read it in this order; each algorithm is a small step from the one before:

``reinforce`` -> ``actor_critic`` -> ``ppo`` -> ``ppo_penalty`` and ``ppo_lagrangian``, and ``dqn`` beside them
(`cosim_agents.rl.algorithms`).

Time scales: a *decision* is one action; an *episode* is one run of the environment; an *epoch* is some episodes
collected with one and the same policy, after which the learner updates it; a *pass* goes once through the decisions of
an epoch, in *minibatches*, each of which is one gradient step.

`policy`, `policy_file`, `rollout`, `episode`, `normalise` and `gae` import NumPy only, so that deciding and collecting
episodes need no torch.
"""
