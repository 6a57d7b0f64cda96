"""What transforms draw with: icons, textures, networks."""
