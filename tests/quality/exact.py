"""The Fréchet distance at more than float64 precision, by algorithms that share no code with ours."""

from __future__ import annotations

import mpmath
import numpy as np
from numpy.typing import NDArray


def frechet_mpmath(x: NDArray[np.float64], y: NDArray[np.float64], digits: int = 50) -> float:
    """Straight from the formula, by eigenvalues of C1^(1/2) C2 C1^(1/2); for few dimensions."""
    with mpmath.workdps(digits):
        means, covs = [], []
        for rows in (x, y):
            matrix = mpmath.matrix(rows.tolist())
            mean = [mpmath.fsum(matrix[:, j]) / matrix.rows for j in range(matrix.cols)]
            for i in range(matrix.rows):
                for j in range(matrix.cols):
                    matrix[i, j] -= mean[j]
            means.append(mean)
            covs.append(matrix.T * matrix / (matrix.rows - 1))
        values, vectors = mpmath.eigsy(covs[0])
        root = vectors * mpmath.diag([mpmath.sqrt(max(v, mpmath.mpf(0))) for v in values]) * vectors.T
        inner = mpmath.eigsy(root * covs[1] * root, eigvals_only=True)
        trace = mpmath.fsum(mpmath.sqrt(max(v, mpmath.mpf(0))) for v in inner)
        gap = mpmath.fsum((a - b) ** 2 for a, b in zip(*means, strict=True))
        total = mpmath.fsum(covs[0][i, i] + covs[1][i, i] for i in range(covs[0].rows))
        return float(gap + total - 2 * trace)


def frechet_longdouble(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """By the nuclear norm of X Y' in 80-bit numbers, with one-sided Jacobi; for many dimensions."""
    x, y = x.astype(np.longdouble), y.astype(np.longdouble)
    a, b = (rows - rows.mean(axis=0) for rows in (x, y))
    a, b = a / np.sqrt(np.longdouble(len(a) - 1)), b / np.sqrt(np.longdouble(len(b) - 1))
    gap = ((x.mean(axis=0) - y.mean(axis=0)) ** 2).sum()
    return float(gap + (a * a).sum() + (b * b).sum() - 2 * _nuclear_norm(np.dot(a, b.T)))


def _nuclear_norm(matrix: NDArray[np.longdouble]) -> np.longdouble:
    """Sum of singular values: rotate pairs of rows until all are orthogonal, then add their lengths."""
    rows = matrix.copy() if len(matrix) <= matrix.shape[1] else matrix.T.copy()
    if len(rows) % 2:
        rows = np.concatenate([rows, np.zeros((1, rows.shape[1]), np.longdouble)])
    n = len(rows)
    order = np.arange(n)
    scale = np.sqrt((rows * rows).sum())
    for _ in range(30):
        worst = np.longdouble(0)
        for _ in range(n - 1):  # round robin: every pair meets once a sweep
            i, j = order[: n // 2], order[n // 2 :][::-1]
            p, q = rows[i], rows[j]
            alpha, beta, gamma = (p * p).sum(1), (q * q).sum(1), (p * q).sum(1)
            worst = max(worst, np.abs(gamma).max())
            turn = np.abs(gamma) > np.finfo(np.longdouble).tiny
            zeta = np.where(turn, (beta - alpha) / np.where(turn, 2 * gamma, 1), 0)
            tangent = np.where(turn, np.where(zeta < 0, -1, 1) / (np.abs(zeta) + np.sqrt(1 + zeta * zeta)), 0)
            cosine = (1 / np.sqrt(1 + tangent * tangent))[:, None]
            sine = cosine * tangent[:, None]
            rows[i], rows[j] = cosine * p - sine * q, sine * p + cosine * q
            order = np.concatenate([order[:1], order[-1:], order[1:-1]])
        if worst <= np.finfo(np.longdouble).eps * scale * scale * 1e-6:
            break
    return np.sqrt((rows * rows).sum(1)).sum()
