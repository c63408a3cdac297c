"""Joints are where the angles of a pose put them."""

import math

import numpy as np

from jobs.samples.skeleton import Body, Pose, between, joints_of

BODY = Body()


def test_a_person_who_stands_is_as_high_as_their_parts() -> None:
    joints = joints_of(BODY, Pose(0, 0, 0, 180, 180))
    shoulders = BODY.girth + BODY.shank + BODY.thigh + BODY.trunk
    np.testing.assert_allclose(joints.neck, (0, shoulders, 0), atol=1e-12)
    np.testing.assert_allclose(joints.bar, (0, shoulders - BODY.upper_arm - BODY.forearm, 0), atol=1e-12)
    np.testing.assert_allclose(joints.left.hip - joints.right.hip, (0, 0, 2 * BODY.hip_width), atol=1e-12)


def test_angles_count_from_straight_up_and_forward() -> None:
    joints = joints_of(BODY, Pose(30, -90, 0, 90, 0))
    knee = (BODY.shank / 2, BODY.girth + BODY.shank * math.sqrt(3) / 2, 0)
    np.testing.assert_allclose(joints.right.knee, (knee[0], knee[1], -BODY.hip_width), atol=1e-12)
    np.testing.assert_allclose(joints.pelvis, (knee[0] - BODY.thigh, knee[1], 0), atol=1e-12)
    np.testing.assert_allclose(joints.bar - joints.neck, (BODY.upper_arm, BODY.forearm, 0), atol=1e-12)


def test_a_pose_between_two_others() -> None:
    assert between(Pose(0, 0, 0, 0, 0), Pose(10, -20, 30, 0, 4), 0.5) == Pose(5, -10, 15, 0, 2)
