"""Tasks x models -> probes, and their predictions of images that they never learned from.

With 30 photographs or more, probes learn from the train split, choose their penalty on the val split and predict the
test split. With fewer, photographs are divided into groups, and each is predicted by a probe that learned from the
others (`probing_core.compute.folds`). Live predictions come from the deployment probe, which learns all transforms from
all photographs of the training splits. Corpora with splits and labels also have the content task, and probes of
other kinds.
"""
