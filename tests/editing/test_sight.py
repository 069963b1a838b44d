import numpy as np

from svsdata.editing.sight import Sight
from svsdata.geometry.camera import ground_points, pixel_rays


def test_pixels_look_where_the_geometry_says(camera):
    height, width = camera.size_hw
    rng = np.random.default_rng(0)
    u, v = rng.uniform(0, width, 200), rng.uniform(0, height, 200)
    pixels, sight = np.stack([u, v], axis=1), Sight.of(camera)
    rays = sight.rays_at(u, v)
    np.testing.assert_allclose(rays.T, pixel_rays(camera, pixels), atol=1e-12)
    ground = ground_points(camera, pixels)
    depth = sight.ground_depth(rays)
    sees_ground = np.isfinite(depth)
    assert 50 < sees_ground.sum() < 150
    np.testing.assert_array_equal(sees_ground, np.isfinite(ground[:, 2]))
    np.testing.assert_allclose(depth[sees_ground], ground[sees_ground, 2])
    places = sight.places(rays[:, sees_ground], depth[sees_ground])
    np.testing.assert_allclose(places[:2].T, ground[sees_ground, :2], atol=1e-9)
    np.testing.assert_allclose(
        places[2:].T, np.broadcast_to([0.0, 1.0], (len(places.T), 2)), atol=1e-9
    )
    assert sight.rays_at(u[:0], v[:0]).shape == (3, 0)
