"""OP-SRL: PPO-Lagrangian on a state that a demand predictor extends, the predictor trained beside the policy.

``forecast`` (NumPy) looks back and ahead, ``augment`` appends the forecast to the observation, ``predictor`` (torch)
learns it, ``learner`` puts it beside `cosim_agents.rl.algorithms.ppo_lagrangian`.
"""
