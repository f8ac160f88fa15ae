"""What the recipes share: faces, made attacks, nets, fitting, figures, artefacts."""
