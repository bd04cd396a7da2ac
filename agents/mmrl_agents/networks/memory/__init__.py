"""Memories of policies: recurrent networks, frame stacks and transformers; one file each."""

from mmrl_agents.networks.memory.base import Memory
from mmrl_agents.networks.memory.part import MEMORIES, MemoryConfig, MemoryPart, build_memory

__all__ = ["MEMORIES", "Memory", "MemoryConfig", "MemoryPart", "build_memory"]
