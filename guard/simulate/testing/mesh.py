"""Where the parts of a face lie in MediaPipe's face mesh: indices into its 478 landmarks."""

# From its face_mesh_connections and canonical face model.
OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
"""The outline, clockwise in the picture from the middle of the forehead."""

INNER_LIPS = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
OUTER_LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
BROWS = (70, 63, 105, 66, 107, 55, 52, 46, 300, 293, 334, 296, 336, 285, 282, 276)
NOSE = (168, 197, 5, 4, 1, 2, 98, 327, 129, 358, 48, 278)
SKIN = (50, 280, 205, 425, 187, 411, 118, 347, 101, 330, 147, 376, 207, 427, 212, 432, 151, 69, 299)

CHIN, FOREHEAD = 152, 10
JAW = tuple(OVAL[number] for number in range(9, 28))
"""The outline below the ears."""

FEATURES = OUTER_LIPS + RIGHT_EYE + LEFT_EYE + BROWS + NOSE + SKIN
"""What lies inside the outline, in so many points as a warp needs."""
