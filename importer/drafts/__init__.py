"""Drafts: uploads that are worked on until they are plans. One folder each, durable."""
